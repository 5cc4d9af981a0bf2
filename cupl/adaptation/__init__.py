"""From photos, with labels or without, to what they add to class vectors."""
