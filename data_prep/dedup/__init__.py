"""Stage dedup: of documents that say the same, in all sources and languages, the best one is kept.

Exact and near duplicates are found by MinHash with locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and
Ullman, Mining of Massive Datasets, chapter 3), in four steps that each read files and write files:

    signatures   per shard: of every document its hashed id, hashed words, band keys and MinHash signature
    candidates   per band and range of keys: documents that share a key and whose signatures agree
    clusters     groups of such documents; in each, which are dropped for which
    documents    per shard: what is kept, and the rejects with their reasons

Documents are numbered in the order of preference: real, translated, romanized; then the order of the sources, shards
and lines. Whatever two documents are compared, the one with the smaller number stays, so that the result depends on
nothing but the corpus.
"""
