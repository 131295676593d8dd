# fuzz targets of conf
