package protobuf_test

import (
	"errors"
	"fmt"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/protobuf"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func Example() {
	data, err := protobuf.Encode(wrapperspb.String("536365"))
	fmt.Printf("%q %v\n", data, err)

	var invoice wrapperspb.StringValue
	err = protobuf.DecodeRaw(data, &invoice)
	fmt.Println(invoice.GetValue(), err)

	_, err = protobuf.Encode("no message")
	fmt.Println(errors.Is(err, encoding.ErrValue))
	// Output:
	// "\n\x06536365" <nil>
	// 536365 <nil>
	// true
}
