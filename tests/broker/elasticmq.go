package broker

import (
	"fmt"
	"path/filepath"
)

// setElasticMQ sets up a server for SQS alone. Its limits are those of AWS.
func (b *Broker) setElasticMQ() error {
	java, err := b.program("java")
	if err != nil {
		return err
	}
	ports, err := b.reserve(1)
	if err != nil {
		return err
	}
	storage := ""
	if b.spec.Durable {
		storage = filepath.Join(b.dir, "messages")
	}
	conf, err := b.write("elasticmq.conf", elasticMQConf(ports[0], storage))
	if err != nil {
		return err
	}
	b.add("elasticmq", ports[0], command{args: []string{
		java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dconfig.file=" + conf,
		"-cp", filepath.Join(b.store.path(ElasticMQ.needs().artifact), "libs", "*"), "org.elasticmq.server.Main",
	}})
	b.version = elasticMQVersion
	return nil
}

// elasticMQConf is its configuration. Messages are kept in memory if storage is empty. Otherwise queues and messages are in a database, which by default
// writes half a second later than it confirms.
func elasticMQConf(port int, storage string) string {
	conf := fmt.Sprintf(`node-address { protocol = http, host = "127.0.0.1", port = %d, context-path = "" }
rest-sqs { enabled = true, bind-port = %d, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
aws { region = us-east-1, accountId = 000000000000 }
`, port, port)
	if storage == "" {
		return conf
	}
	return conf + fmt.Sprintf("queues-storage { enabled = true, path = %q }\n", storage+"-queues.conf") +
		fmt.Sprintf("messages-storage { enabled = true, driver-class = \"org.h2.Driver\", uri = %q, username = \"\", password = \"\" }\n",
			"jdbc:h2:"+storage+";WRITE_DELAY=0")
}
