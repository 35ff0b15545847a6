package json_test

import (
	"bytes"
	stdjson "encoding/json"
	"strings"
	"testing"

	"github.com/beatlabs/patron/encoding/json"
)

type benchLine struct {
	SKU       string `json:"sku"`
	Quantity  int    `json:"quantity"`
	UnitPrice string `json:"unit_price"`
}

type benchOrder struct {
	Invoice string      `json:"invoice"`
	Lines   []benchLine `json:"lines"`
}

func benchBody(lines int, quantity string) []byte {
	line := `{"sku":"85123A","description":"WHITE HANGING HEART","quantity":` + quantity + `,"unit_price":"2.55"}`
	return []byte(`{"invoice":"536365","lines":[` + strings.TrimSuffix(strings.Repeat(line+",", lines), ",") + `]}`)
}

func BenchmarkDecode(b *testing.B) {
	for name, body := range map[string][]byte{"good": benchBody(20, "6"), "20 faults": benchBody(20, `"x"`)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			r := bytes.NewReader(body)
			for b.Loop() {
				r.Reset(body)
				_ = json.Decode(r, new(benchOrder))
			}
		})
	}
	b.Run("encoding/json", func(b *testing.B) {
		body := benchBody(20, "6")
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			_ = stdjson.Unmarshal(body, new(benchOrder))
		}
	})
}

// BenchmarkHostile is a body of 1 MiB that is right but for its end: the whole of it is walked.
func BenchmarkHostile(b *testing.B) {
	body := []byte("[" + strings.Repeat("1,", 1<<19) + `"x"]`)
	for name, fresh := range map[string]func() any{"integers": func() any { return new([]int) }, "methods": func() any { return new([]notNull) }} {
		b.Run(name, func(b *testing.B) {
			b.Run("walk", func(b *testing.B) {
				for b.Loop() {
					_ = json.DecodeRaw(body, fresh())
				}
			})
			b.Run("encoding/json", func(b *testing.B) {
				for b.Loop() {
					_ = stdjson.Unmarshal(body, fresh())
				}
			})
		})
	}
}
