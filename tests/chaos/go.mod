module github.com/beatlabs/patron/tests/chaos

go 1.26.0

require (
	github.com/beatlabs/patron v0.0.0
	github.com/beatlabs/patron/tests v0.0.0
)

replace (
	github.com/beatlabs/patron => ../..
	github.com/beatlabs/patron/tests => ..
)
