"""Requests and answers as files."""
