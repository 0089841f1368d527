"""The sources of a conversion, read in place and by position: no model is built and no tensor held."""
