# fuzz targets of store
