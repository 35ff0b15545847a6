package jitter

import (
	"context"
	"math/rand/v2"
	"time"
)

// Source draws a duration in [0, n) for what key names: a message by its ID, or a connection by "".
type Source func(key string, n time.Duration) time.Duration

type sourceKey struct{}

// With returns a copy of ctx from which pauses are drawn by s.
func With(ctx context.Context, s Source) context.Context {
	return context.WithValue(ctx, sourceKey{}, s)
}

// Draw returns a duration in [0, n), n above 0: from the source of ctx, else at random.
func Draw(ctx context.Context, key string, n time.Duration) time.Duration {
	if s, ok := ctx.Value(sourceKey{}).(Source); ok {
		return s(key, n)
	}
	return rand.N(n)
}
