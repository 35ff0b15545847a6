package brokers_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type order struct {
	Invoice  string `json:"invoice"`
	Customer string `json:"customer"`
}
