"""Stage ingest: the text users bring, in many formats, as tagged shards with what was left out beside them."""
