"""Classes, prompt banks and templates."""
