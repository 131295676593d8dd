# fuzz targets of dkim
