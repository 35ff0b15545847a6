package correlation_test

import (
	"context"
	"fmt"

	"github.com/beatlabs/patron/correlation"
)

func Example() {
	ctx := correlation.ContextWithID(context.Background(), "order-536365")

	fmt.Println(correlation.HeaderID, correlation.IDFromContext(ctx))
	fmt.Println(correlation.Valid("forged\nline"))
	// Output:
	// X-Correlation-Id order-536365
	// false
}
