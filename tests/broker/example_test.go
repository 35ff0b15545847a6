package broker_test

import (
	"fmt"

	"github.com/beatlabs/patron/tests/broker"
)

func ExampleKind_Value() {
	for _, k := range broker.Kinds() {
		fmt.Printf("%s=%s\n", k.Variable(), k.Value("127.0.0.1:1"))
	}
	// Output:
	// PATRON_TEST_KAFKA=127.0.0.1:1
	// PATRON_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:1/
	// PATRON_TEST_SQS_ENDPOINT=http://127.0.0.1:1
	// PATRON_TEST_SNS_ENDPOINT=http://127.0.0.1:1
	// PATRON_TEST_REDIS=127.0.0.1:1
	// PATRON_TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:1/patron?sslmode=disable
	// PATRON_TEST_MYSQL_DSN=root@tcp(127.0.0.1:1)/patron?parseTime=true
}
