# fuzz targets of milter
