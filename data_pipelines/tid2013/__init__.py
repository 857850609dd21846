"""What is known about TID2013's images beyond their opinion scores."""
