"""Romanising: text in an Indic script -> Latin letters; Hindi as people type it."""
