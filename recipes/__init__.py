"""The stages of the recipe, a module each; `recipes.cli` is the command line."""
