module example.com/far/shop

go 1.26.0
