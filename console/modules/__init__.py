"""One file per wall module: ``build`` puts its elements on the page and returns what draws new rows on them."""
