"""The proof that both sides of a conversion compute the same, and the certificate that says so."""
