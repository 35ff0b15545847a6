package cloudevents_test

import (
	"testing"

	"github.com/beatlabs/patron/tests/interop/natstest"
	"go.uber.org/goleak"
)

// server is shared by the tests, each of which has a stream of its own.
var server *natstest.Server

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(natstest.Main{M: m, Use: func(s *natstest.Server) { server = s }})
}
