package watermill_test

import (
	"testing"

	"github.com/beatlabs/patron/tests/interop/natstest"
	"go.uber.org/goleak"
)

// server is shared by the tests, each of which has streams of its own. Those that restart a server start one.
var server *natstest.Server

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(natstest.Main{M: m, Use: func(s *natstest.Server) { server = s }})
}
