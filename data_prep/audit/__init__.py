"""Stage audit: one page and one JSON file that say what a preparation made, left out, and how it reads."""
