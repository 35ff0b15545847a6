package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// setKafka sets up one node, or three that are brokers and controllers. All have the configuration of tests: rebalances that do not wait, sessions that may be
// short, few partitions of the topics that Kafka keeps for itself, and a controller that soon lets a broker back in that was killed.
func (b *Broker) setKafka(ctx context.Context) error {
	java, err := b.program("java")
	if err != nil {
		return err
	}
	class := filepath.Join(b.store.path(Kafka.needs().artifact), "libs", "*")
	ports, err := b.reserve(2 * b.spec.Nodes)
	if err != nil {
		return err
	}
	cluster, err := kafkaCluster(b.dir)
	if err != nil {
		return err
	}
	nodes := make([]int, b.spec.Nodes)
	for i := range nodes {
		nodes[i] = i + 1
	}
	errs := inParallel(nodes, func(id int) error {
		name := fmt.Sprintf("kafka-%d", id)
		data := filepath.Join(b.dir, name)
		properties, err := b.write(name+".properties", kafkaProperties(id, ports, data))
		if err != nil {
			return err
		}
		format := command{args: []string{
			java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", class, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", properties,
		}}
		return format.run(ctx, "")
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, id := range nodes {
		name := fmt.Sprintf("kafka-%d", id)
		b.add(name, ports[2*id-2], command{args: []string{
			java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.showDateTime=true",
			"-cp", class, "kafka.Kafka", filepath.Join(b.dir, name+".properties"),
		}})
	}
	b.version = kafkaVersion
	return nil
}

// kafkaCluster is the identifier of the cluster whose data is in the directory, or that of a new one, 16 bytes in base64.
func kafkaCluster(dir string) (string, error) {
	path := filepath.Join(dir, "cluster")
	known, err := os.ReadFile(path) //nolint:gosec // ours
	if err == nil {
		return string(known), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	// It may not begin with a dash, which would look like an option.
	id := "x" + base64.RawURLEncoding.EncodeToString(random)[1:]
	return id, os.WriteFile(path, []byte(id), 0o644) //nolint:gosec // no secret
}

// kafkaProperties is the configuration of a node. Of ports each node has two, for clients and for controllers.
func kafkaProperties(id int, ports []int, data string) string {
	nodes := len(ports) / 2
	voters := make([]string, nodes)
	for i := range voters {
		voters[i] = fmt.Sprintf("%d@%s", i+1, loopback(ports[2*i+1]))
	}
	client, controller := loopback(ports[2*id-2]), loopback(ports[2*id-1])
	replicas, inSync := strconv.Itoa(nodes), strconv.Itoa(nodes/2+1)
	settings := KafkaSettings()
	maps.Copy(settings, map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          strconv.Itoa(id),
		"controller.quorum.voters":                         strings.Join(voters, ","),
		"controller.listener.names":                        "CONTROLLER",
		"listener.security.protocol.map":                   "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"listeners":                                        "PLAINTEXT://" + client + ",CONTROLLER://" + controller,
		"advertised.listeners":                             "PLAINTEXT://" + client,
		"log.dirs":                                         data,
		"default.replication.factor":                       replicas,
		"min.insync.replicas":                              inSync,
		"offsets.topic.replication.factor":                 replicas,
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    inSync,
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            inSync,
		// Until the session of a killed broker ends the controller refuses the one that comes back: 9 seconds by default.
		"broker.session.timeout.ms":    "2000",
		"broker.heartbeat.interval.ms": "300",
	})
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		text.WriteString(name + "=" + settings[name] + "\n")
	}
	return text.String()
}

// KafkaSettings is what tests may rely on, however many nodes there are: nobody waits for others, and one that was killed is soon missed.
func KafkaSettings() map[string]string {
	return map[string]string{
		"num.partitions": "4",
		// What Kafka keeps for itself has 50 partitions by default, which are made when they are first needed.
		"offsets.topic.num.partitions":                 "4",
		"transaction.state.log.num.partitions":         "4",
		"share.coordinator.state.topic.num.partitions": "4",
		// Three seconds for every first join by default.
		"group.initial.rebalance.delay.ms": "0",
		"group.min.session.timeout.ms":     "1000",
		// Of the newer groups (KIP-848) and of share groups the broker decides session and heartbeat.
		"group.consumer.min.session.timeout.ms":    "1000",
		"group.consumer.session.timeout.ms":        "6000",
		"group.consumer.min.heartbeat.interval.ms": "100",
		"group.consumer.heartbeat.interval.ms":     "500",
		"group.consumer.assignment.interval.ms":    "0",
		"group.share.min.session.timeout.ms":       "1000",
		"group.share.session.timeout.ms":           "6000",
		"group.share.min.heartbeat.interval.ms":    "100",
		"group.share.heartbeat.interval.ms":        "500",
		"group.share.assignment.interval.ms":       "0",
	}
}
