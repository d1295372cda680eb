"""`make bench`: how fast and how small a lab is, measured on the machine it runs on."""
