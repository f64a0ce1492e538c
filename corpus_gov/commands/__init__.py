"""Commands by what they are about, each a Typer application or a function that `corpus_gov.cli` registers."""
