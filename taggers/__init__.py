"""Taggers: pictures -> scored tags. Each is one file with its settings; they import only captioner's leaves."""
