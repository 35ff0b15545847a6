package json_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
)

func Example() {
	var order struct {
		Invoice string `json:"invoice"`
		Lines   []struct {
			Quantity int    `json:"quantity"`
			Price    string `json:"unit_price"`
		} `json:"lines"`
	}
	body := `{"invoice": 536365, "lines": [{"quantity": "six", "unit_price": "2.55"}, {"quantity": 6, "unit_price": 3.39}]}`

	err := json.Decode(strings.NewReader(body), &order)

	if e, ok := errors.AsType[*encoding.DataError](err); ok {
		fmt.Println(e.Detail)
		for _, f := range e.Faults {
			fmt.Println(f.Pointer, f.Detail)
		}
	}
	// Output:
	// 3 values do not fit
	// /invoice must be a string, not a number
	// /lines/0/quantity must be an integer, not a string
	// /lines/1/unit_price must be a string, not a number
}

func ExampleDecodeRaw_malformed() {
	fmt.Println(json.DecodeRaw([]byte(`{"invoice": "536365",}`), new(any)))
	// Output: malformed JSON at byte 21
}
