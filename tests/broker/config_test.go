package broker

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// properties are the lines of a file of the form name=value.
func properties(t *testing.T, text string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if _, twice := all[name]; !ok || twice {
			t.Errorf("%q: want a name that was not given yet, and a value", line)
		}
		all[name] = value
	}
	return all
}

func TestThreeKafkaNodesAreOneClusterThatReplicates(t *testing.T) {
	t.Parallel()
	ports := []int{21001, 21002, 21003, 21004, 21005, 21006}
	for id := 1; id <= 3; id++ {
		got := properties(t, kafkaProperties(id, ports, "/data"))
		client, controller := 21001+2*(id-1), 21002+2*(id-1)
		for name, want := range map[string]string{
			"node.id":                                          strconv.Itoa(id),
			"log.dirs":                                         "/data",
			"controller.quorum.voters":                         "1@127.0.0.1:21002,2@127.0.0.1:21004,3@127.0.0.1:21006",
			"listeners":                                        fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", client, controller),
			"advertised.listeners":                             fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", client),
			"default.replication.factor":                       "3",
			"min.insync.replicas":                              "2",
			"offsets.topic.replication.factor":                 "3",
			"transaction.state.log.replication.factor":         "3",
			"transaction.state.log.min.isr":                    "2",
			"share.coordinator.state.topic.replication.factor": "3",
			"share.coordinator.state.topic.min.isr":            "2",
			"group.min.session.timeout.ms":                     "1000",
			"broker.session.timeout.ms":                        "2000",
		} {
			if got[name] != want {
				t.Errorf("node %d: %s: got %q, want %q", id, name, got[name], want)
			}
		}
	}
}

func TestOneKafkaNodeDoesNotWaitForOthers(t *testing.T) {
	t.Parallel()
	got := properties(t, kafkaProperties(1, []int{21001, 21002}, "/data"))
	for name, value := range got {
		if (strings.HasSuffix(name, "replication.factor") || strings.HasSuffix(name, ".isr") || name == "min.insync.replicas") && value != "1" {
			t.Errorf("%s: got %s, want 1", name, value)
		}
	}
}

func TestAKafkaClusterKeepsItsIdentifier(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := kafkaCluster(dir)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(first); err != nil || len(raw) != 16 {
		t.Errorf("%s: got %d bytes, %v, want 16", first, len(raw), err)
	}
	if again, err := kafkaCluster(dir); err != nil || again != first {
		t.Errorf("got %s, %v, want %s", again, err, first)
	}
	if other, err := kafkaCluster(t.TempDir()); err != nil || other == first {
		t.Errorf("another cluster: got %s, %v", other, err)
	}
}

func TestElasticMQKeepsMessagesOnlyIfItIsTold(t *testing.T) {
	t.Parallel()
	const memory = `node-address { protocol = http, host = "127.0.0.1", port = 21001, context-path = "" }
rest-sqs { enabled = true, bind-port = 21001, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
aws { region = us-east-1, accountId = 000000000000 }
`
	if got := elasticMQConf(21001, ""); got != memory {
		t.Errorf("got\n%s\nwant\n%s", got, memory)
	}
	got, ok := strings.CutPrefix(elasticMQConf(21001, "/dir/messages"), memory)
	if !ok || !strings.Contains(got, `uri = "jdbc:h2:/dir/messages;WRITE_DELAY=0"`) || !strings.Contains(got, `path = "/dir/messages-queues.conf"`) {
		t.Errorf("got %s, want messages and queues in /dir", got)
	}
}

func TestRabbitMQIsItsOwnAndOnLoopback(t *testing.T) {
	t.Parallel()
	got := properties(t, strings.Join(rabbitMQEnv("/dir", []int{21001, 21002, 21003}), "\n"))
	for name, want := range map[string]string{
		"RABBITMQ_NODENAME":        "patron21001@localhost",
		"RABBITMQ_NODE_PORT":       "21001",
		"RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
		"ERL_EPMD_PORT":            "21002",
		"ERL_EPMD_ADDRESS":         "127.0.0.1",
		"RABBITMQ_DIST_PORT":       "21003",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	if args := got["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]; !strings.Contains(args, "inet_dist_use_interface {127,0,0,1}") {
		t.Errorf("the port for other nodes is open to all: %s", args)
	}
	// What is not said here RabbitMQ looks for in the system's directories.
	for _, file := range []string{
		"RABBITMQ_MNESIA_BASE", "RABBITMQ_LOG_BASE", "RABBITMQ_PID_FILE", "RABBITMQ_CONFIG_FILE", "RABBITMQ_ADVANCED_CONFIG_FILE", "RABBITMQ_CONF_ENV_FILE",
		"RABBITMQ_ENABLED_PLUGINS_FILE",
	} {
		if !strings.HasPrefix(got[file], "/dir/") {
			t.Errorf("%s: got %q, want a path in /dir", file, got[file])
		}
	}
}

func TestASpecSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	for want, spec := range map[string]Spec{
		`broker "nats": want one of kafka`:     {Kind: "nats"},
		`broker "": want one of kafka`:         {},
		"kafka: 2 nodes: want 1 or 3":          {Kind: Kafka, Nodes: 2},
		"redis: 3 nodes: want 1":               {Kind: Redis, Nodes: 3},
		"fauxqs: keeps nothing over a restart": {Kind: Fauxqs, Durable: true},
	} {
		if b, err := Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, %v, want %s", spec, b, err, want)
		}
	}
}
