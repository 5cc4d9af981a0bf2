"""Reading and writing files and databases; nothing here knows of classes or models."""
