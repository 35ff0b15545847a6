package bench_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/beatlabs/patron/correlation"
	"github.com/google/uuid"
)

type idKey struct{}

// BenchmarkCorrelation makes, checks and carries IDs, beside what is done by hand.
func BenchmarkCorrelation(b *testing.B) {
	ctx := context.WithValue(b.Context(), idKey{}, "order-536365")
	ours := correlation.ContextWithID(b.Context(), "order-536365")
	pattern := regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	id := correlation.New()
	var keep struct { // what is not kept is not made
		keeper

		id string
		ok bool
	}
	runCases(b, "new", []benchCase{
		{"uuid", func() { keep.id = uuid.NewString() }},
		{"patron", func() { keep.id = correlation.New() }},
	})
	runCases(b, "validate", []benchCase{
		{"regexp", func() { keep.ok = pattern.MatchString(id) }},
		{"patron", func() { keep.ok = correlation.Valid(id) }},
	})
	runCases(b, "put-into-context", []benchCase{
		{"context.WithValue", func() { keep.keep(context.WithValue(ctx, idKey{}, id)) }},
		{"patron", func() { keep.keep(correlation.ContextWithID(ours, id)) }},
	})
	runCases(b, "take-from-context", []benchCase{
		{"context.Value", func() { keep.id, keep.ok = ctx.Value(idKey{}).(string) }},
		{"patron", func() { keep.id = correlation.IDFromContext(ours) }},
	})
}
