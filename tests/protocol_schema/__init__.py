"""The published contract: the contents of the documents, and the server's adherence to them."""
