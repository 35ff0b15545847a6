package broker

import "path/filepath"

// What is not Debian's is fetched in exactly these versions. compose.yaml names those of Kafka and ElasticMQ, too.
const (
	kafkaVersion     = "4.3.1"
	slf4jVersion     = "1.7.36" // the only one that Kafka's jars do not bring: without it there is no log
	elasticMQVersion = "1.7.1"
	fauxqsVersion    = "1.9.2" // the newest that runs on the Node of Debian
)

// need is what must be on the machine before a broker can be started.
type need struct {
	programs []program
	artifact artifact // a zero one is none
}

// needs says what a kind of broker needs.
func (k Kind) needs() need {
	java := program{name: "java", debian: "openjdk-17-jre-headless"}
	switch k {
	case Kafka:
		return need{programs: []program{java}, artifact: jars(
			"kafka-"+kafkaVersion, "kafka_2.13-"+kafkaVersion+".jar",
			coordinates{"org.apache.kafka", "kafka_2.13", kafkaVersion}, coordinates{"org.slf4j", "slf4j-simple", slf4jVersion},
		)}
	case ElasticMQ:
		return need{programs: []program{java}, artifact: jars(
			"elasticmq-"+elasticMQVersion, "elasticmq-server_2.13-"+elasticMQVersion+".jar",
			coordinates{"org.elasticmq", "elasticmq-server_2.13", elasticMQVersion},
		)}
	case Fauxqs:
		return need{programs: []program{{name: "node", debian: "nodejs"}}, artifact: module("fauxqs", fauxqsVersion)}
	case RabbitMQ:
		return need{programs: []program{
			// Debian's /usr/sbin/rabbitmq-server changes the user; this is the one that it calls.
			{name: "rabbitmq-server", debian: "rabbitmq-server", in: "/usr/lib/rabbitmq/bin"},
			{name: "epmd", debian: "rabbitmq-server"},
		}}
	case Redis:
		return need{programs: []program{{name: "redis-server", debian: "redis-server"}}}
	case PostgreSQL:
		bin := filepath.FromSlash("/usr/lib/postgresql/*/bin")
		return need{programs: []program{{name: "initdb", debian: "postgresql", in: bin}, {name: "postgres", debian: "postgresql", in: bin}}}
	case MariaDB:
		return need{programs: []program{
			{name: "mariadb-install-db", debian: "mariadb-server"},
			{name: "mariadbd", debian: "mariadb-server", in: "/usr/sbin"}, // who is not root may have it out of the path
		}}
	}
	return need{}
}

// program is an executable.
type program struct {
	name   string
	debian string // the package that has it
	in     string // a directory, or a pattern of directories, where it is looked for before the path
}

// Pinned is the version in which a kind of broker is fetched, "" if it is Debian's.
func Pinned(k Kind) string {
	switch k {
	case Kafka:
		return kafkaVersion
	case ElasticMQ:
		return elasticMQVersion
	case Fauxqs:
		return fauxqsVersion
	case RabbitMQ, Redis, PostgreSQL, MariaDB:
	}
	return ""
}
