module github.com/beatlabs/patron/tests

go 1.26.0

replace github.com/beatlabs/patron => ../

require go.uber.org/goleak v1.3.0

require go.yaml.in/yaml/v4 v4.0.0
