package broker

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what is started.
type Kind string

// The kinds of brokers.
const (
	Kafka      Kind = "kafka"
	RabbitMQ   Kind = "rabbitmq"
	Redis      Kind = "redis"
	PostgreSQL Kind = "postgres"
	MariaDB    Kind = "mariadb"
	ElasticMQ  Kind = "elasticmq"
	Fauxqs     Kind = "fauxqs"
)

// Kinds are all kinds, in the order of tables.
func Kinds() []Kind {
	return []Kind{Kafka, RabbitMQ, ElasticMQ, Fauxqs, Redis, PostgreSQL, MariaDB}
}

// ParseKind is the kind of that name, or of that of its protocol; upper and lower case are the same.
func ParseKind(name string) (Kind, error) {
	switch k := Kind(strings.ToLower(strings.TrimSpace(name))); k {
	case Kafka, RabbitMQ, Redis, PostgreSQL, MariaDB, ElasticMQ, Fauxqs:
		return k, nil
	case "amqp":
		return RabbitMQ, nil
	case "postgresql":
		return PostgreSQL, nil
	case "mysql":
		return MariaDB, nil
	case "sqs":
		return ElasticMQ, nil
	case "sns":
		return Fauxqs, nil
	}
	return "", fmt.Errorf("broker %q: want one of %s", name, names(Kinds()))
}

// ParseKinds are the kinds of a list with commas or spaces, each once and in the order of Kinds. An empty list is none.
func ParseKinds(list string) ([]Kind, error) {
	named := make(map[Kind]bool)
	for name := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		k, err := ParseKind(name)
		if err != nil {
			return nil, err
		}
		named[k] = true
	}
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return !named[k] }), nil
}

func names(kinds []Kind) string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k)
	}
	return strings.Join(list, ", ")
}

// Title is the name that its makers give it.
func (k Kind) Title() string {
	switch k {
	case Kafka:
		return "Kafka"
	case RabbitMQ:
		return "RabbitMQ"
	case Redis:
		return "Redis"
	case PostgreSQL:
		return "PostgreSQL"
	case MariaDB:
		return "MariaDB"
	case ElasticMQ:
		return "ElasticMQ"
	case Fauxqs:
		return "fauxqs"
	}
	return string(k)
}

// Variable is the name of the environment variable that tells tests where the broker is.
func (k Kind) Variable() string {
	switch k {
	case Kafka:
		return "PATRON_TEST_KAFKA" // host:port, and more of them with commas
	case RabbitMQ:
		return "PATRON_TEST_AMQP_URL" // amqp://user:password@host:port/
	case Redis:
		return "PATRON_TEST_REDIS" // host:port
	case PostgreSQL:
		return "PATRON_TEST_POSTGRES_URL" // postgres://user@host:port/database
	case MariaDB:
		return "PATRON_TEST_MYSQL_DSN" // user@tcp(host:port)/database, as github.com/go-sql-driver/mysql has it
	case ElasticMQ:
		return "PATRON_TEST_SQS_ENDPOINT" // http://host:port
	case Fauxqs:
		return "PATRON_TEST_SNS_ENDPOINT" // http://host:port, which speaks SQS, too
	}
	return ""
}

// Value is the variable's value for a broker of the kind that this package, or compose.yaml, started at address, or at addresses with commas.
func (k Kind) Value(address string) string {
	switch k {
	case RabbitMQ:
		return "amqp://guest:guest@" + address + "/"
	case PostgreSQL:
		return "postgres://postgres@" + address + "/patron?sslmode=disable"
	case MariaDB:
		return "root@tcp(" + address + ")/patron?parseTime=true"
	case ElasticMQ, Fauxqs:
		return "http://" + address
	case Kafka, Redis:
	}
	return address
}
