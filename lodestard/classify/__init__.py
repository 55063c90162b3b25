"""What is this request, and who sends it? Pure: reads what is there, asks nobody."""
