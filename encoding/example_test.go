package encoding_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/encoding/protobuf"
)

func Example() {
	codecs, err := encoding.NewCodecs(json.Codec(), protobuf.Codec())
	if err != nil {
		fmt.Println(err)
		return
	}

	codec, err := codecs.ForContentType("application/vnd.shop+json;charset=utf-8")
	if err != nil {
		fmt.Println(err)
		return
	}
	var line struct {
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity"`
	}
	err = codec.Decode(strings.NewReader(`{"sku": 85123, "quantity": 1.5}`), &line)

	if e, ok := errors.AsType[*encoding.DataError](err); ok {
		for _, f := range e.Faults {
			fmt.Println(f.Pointer, f.Detail)
		}
	}
	// Output:
	// /sku must be a string, not a number
	// /quantity must be an integer, written without fraction and exponent
}

func ExampleCodecs_ForAccept() {
	codecs, err := encoding.NewCodecs(json.Codec(), protobuf.Codec())
	if err != nil {
		fmt.Println(err)
		return
	}

	codec, err := codecs.ForAccept("application/protobuf, application/json;q=0.5")
	fmt.Println(codec.ContentType(), err)
	_, err = codecs.ForAccept("text/html")
	fmt.Println(errors.Is(err, encoding.ErrAccept))
	// Output:
	// application/protobuf <nil>
	// true
}

func ExampleNegotiate() {
	offers := []string{"application/problem+json", "text/plain"}

	fmt.Println(encoding.Negotiate("text/*;q=0.9, application/problem+json;q=0.5", offers...))
	fmt.Println(encoding.Negotiate("image/png", offers...))
	// Output:
	// 1
	// -1
}

func ExamplePath() {
	var path encoding.Path
	path.Push("lines")
	path.PushIndex(3)
	path.Push("price/net")

	fmt.Println(path.Pointer())
	// Output: /lines/3/price~1net
}
