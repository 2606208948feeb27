"""The same captioning for a folder or bucket of any size, on this machine or on Ray, which goes on after anything.

    sources -> segments (work)  ->  blocks of pictures (reading)  ->  captions (pipeline)  ->  parts (sinks)

A SOURCE is cut once into numbered segments, and the list of them is kept in TARGET. A segment is read in blocks of
equally many pictures; each block becomes one part file, whose name says segment and block, and which is there whole or
not at all. So what is done shows in the names of the parts, a block that is done twice writes the same file again, and
each picture is in the result once, whatever was killed: one mechanism for all targets and both engines.

`store` opens folders and buckets, `local` and `on_ray` are the engines, `summary` adds up. Ray, pyarrow and the drivers
of buckets are imported when they are needed. Knows no command line.
"""
