"""The app in a browser: try, edit, label, sort, search and evaluate, with what the library does."""
