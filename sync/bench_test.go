package sync_test

import (
	"context"
	"strings"
	"testing"

	"github.com/beatlabs/patron/encoding/json"
	psync "github.com/beatlabs/patron/sync"
)

func BenchmarkHandle(b *testing.B) {
	get := psync.Handle(func(_ context.Context, r *psync.Request) (*line, error) { return &line{SKU: r.Field("id")}, nil })
	bodies := map[string]string{"good": goodOrder, "five faults": `{"time":"yesterday","lines":[{"sku":7,"quantity":"six"},{"sku":"a","quantity":0}]}`}
	b.Run("get", func(b *testing.B) {
		fields := map[string]string{"id": "7"}
		b.ReportAllocs()
		for b.Loop() {
			_, _ = get(b.Context(), psync.NewRequest(fields, nil, nil, nil))
		}
	})
	for name, body := range bodies {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = handleOrder(b.Context(), psync.NewRequest(nil, strings.NewReader(body), nil, json.Decode))
			}
		})
		b.Run(name+", decoding alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = json.Decode(strings.NewReader(body), new(order))
			}
		})
	}
}
