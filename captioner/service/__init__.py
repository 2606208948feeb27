"""What the page, the HTTP API and programs ask of the product, in plain values; knows no Gradio and no HTTP."""
