package ratelimit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/beatlabs/patron/reliability/ratelimit"
)

// A server answers at once, and says when to come back.
func Example() {
	limiter, err := ratelimit.New(2, time.Minute, ratelimit.WithBurst(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		if limiter.Allow() {
			fmt.Println("200")
			continue
		}
		fmt.Println("429, Retry-After:", limiter.Delay().Round(10*time.Second))
	}
	// Output:
	// 200
	// 200
	// 429, Retry-After: 30s
}

// A client waits, but not in vain: a wait that would end after the deadline fails at once.
func ExampleLimiter_Wait() {
	limiter, err := ratelimit.New(1, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	fmt.Println(limiter.Wait(ctx))
	fmt.Println(limiter.Wait(ctx) != nil)
	// Output:
	// <nil>
	// true
}
