package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/beatlabs/patron/tests/broker"
)

// service is what the tests look at in a service of compose.yaml.
type service struct {
	Image       string            `yaml:"image"`
	Ports       []string          `yaml:"ports"`
	Environment map[string]string `yaml:"environment"`
	Healthcheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
}

func readCompose(t *testing.T) map[string]service {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Name     string             `yaml:"name"`
		Services map[string]service `yaml:"services"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if file.Name == "" || file.Name == composeProject {
		t.Errorf("the project is called %q: want a name, and another than %s, whose containers tests remove", file.Name, composeProject)
	}
	return file.Services
}

// published is a port of a service at one of the machine: 127.0.0.1:${VARIABLE:-9092}:9092.
var published = regexp.MustCompile(`^127\.0\.0\.1:\$\{(\w+):-(\d+)\}:(\d+)$`)

func TestEveryKindIsAServiceOfTheComposeFile(t *testing.T) {
	t.Parallel()
	services := readCompose(t)
	if len(services) != len(broker.Kinds()) {
		t.Errorf("got %d services, want %d", len(services), len(broker.Kinds()))
	}
	usual := map[broker.Kind]string{
		broker.Kafka: "9092", broker.RabbitMQ: "5672", broker.ElasticMQ: "9324", broker.Fauxqs: "4566", broker.Redis: "6379", broker.PostgreSQL: "5432",
		broker.MariaDB: "3306",
	}
	for _, k := range broker.Kinds() {
		s, ok := services[string(k)]
		if !ok {
			t.Errorf("%s: no service", k)
			continue
		}
		var variables []string
		for i, port := range s.Ports {
			match := published.FindStringSubmatch(port)
			if match == nil {
				t.Errorf("%s: port %s: want 127.0.0.1:${VARIABLE:-port}:port", k, port)
				continue
			}
			variables = append(variables, match[1])
			if i == 0 && (match[2] != usual[k] || match[3] != usual[k]) {
				t.Errorf("%s: port %s: want %s first, which is for clients", k, port, usual[k])
			}
		}
		if !slices.Equal(variables, portVariables(k)) {
			t.Errorf("%s: got the variables %v, want %v", k, variables, portVariables(k))
		}
		if len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s: no healthcheck", k)
		}
		if image, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" || image == "" {
			t.Errorf("%s: image %q: want one with a version", k, s.Image)
		}
	}
}

func TestTheComposeFileStartsWhatTheProcessesAre(t *testing.T) {
	t.Parallel()
	services := readCompose(t)
	for kind, image := range map[broker.Kind]string{
		broker.Kafka:     "apache/kafka:" + broker.Pinned(broker.Kafka),
		broker.ElasticMQ: "softwaremill/elasticmq-native:" + broker.Pinned(broker.ElasticMQ),
	} {
		if got := services[string(kind)].Image; got != image {
			t.Errorf("%s: got the image %s, want %s", kind, got, image)
		}
	}
	// A client is told the address under which it finds the broker, whatever the port.
	kafka := services[string(broker.Kafka)].Environment
	if got := kafka["KAFKA_ADVERTISED_LISTENERS"]; !strings.Contains(got, "OUTSIDE://127.0.0.1:${"+portVariables(broker.Kafka)[0]+":-9092}") {
		t.Errorf("Kafka is advertised as %s", got)
	}
	// What the driver's tests rely on.
	for name, want := range broker.KafkaSettings() {
		variable := "KAFKA_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
		if got := kafka[variable]; got != want {
			t.Errorf("%s: got %q, want %q, as processes have it", variable, got, want)
		}
	}
	postgres := services[string(broker.PostgreSQL)].Environment
	if postgres["POSTGRES_DB"] != "patron" || postgres["POSTGRES_HOST_AUTH_METHOD"] != "trust" {
		t.Errorf("PostgreSQL: got %v, want a database patron and no password", postgres)
	}
	mariaDB := services[string(broker.MariaDB)].Environment
	if mariaDB["MARIADB_DATABASE"] != "patron" || mariaDB["MARIADB_ALLOW_EMPTY_ROOT_PASSWORD"] == "" {
		t.Errorf("MariaDB: got %v, want a database patron and no password", mariaDB)
	}
}

// fakeDocker puts a docker into the path that writes down how it was called, and answers as the script says.
func fakeDocker(t *testing.T, script string) (calls func() string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	text := "#!/bin/sh\necho \"$@\" >>" + log + "\nenv | grep ^PATRON_REDIS_PORT= >>" + log + "\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		text, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestARealRedisComesFromDockerWhereItAnswers(t *testing.T) {
	// not parallel: the path belongs to the process
	needsProcesses(t)
	data := t.TempDir()
	// The engine is a Redis of this machine, at the port that compose.yaml is told.
	calls := fakeDocker(t, `case "$*" in
*" up "*) cd / && setsid redis-server --port $PATRON_REDIS_PORT --dir `+data+` --save "" >/dev/null 2>&1 & echo $! >`+data+`/pid;;
*" rm "*) kill $(cat `+data+`/pid);;
esac`)
	dir, w := emptySet(t), newWorld(nil)

	got, err := w.do(t, "up", "-state", dir, "-root", "/repository", "redis")
	if err != nil {
		t.Fatalf("%v\n%s", err, calls())
	}

	e := redisOf(t, dir)
	_, port, _ := strings.Cut(e.Address, ":")
	for _, want := range []string{
		"info\n", "compose version\n", "compose --project-name patron-test --file /repository/compose.yaml up --detach redis\n", "PATRON_REDIS_PORT=" + port + "\n",
	} {
		if !strings.Contains(calls(), want) {
			t.Errorf("docker was called\n%swant %s", calls(), want)
		}
	}
	if e.How != compose || !e.runs(t.Context()) || e.Version == "" || got != "export PATRON_TEST_REDIS='"+e.Address+"'\n" {
		t.Errorf("got %+v and %q, want one that runs", e, got)
	}

	if _, err := w.do(t, "down", "-state", dir, "-root", "/repository"); err != nil {
		t.Fatal(err)
	}
	if want := "compose --project-name patron-test --file /repository/compose.yaml rm --stop --force --volumes redis\n"; !strings.Contains(calls(), want) {
		t.Errorf("docker was called\n%swant %s", calls(), want)
	}
}

func TestWhatDockerSaysIsInTheError(t *testing.T) {
	// not parallel: the path belongs to the process
	calls := fakeDocker(t, `case "$*" in *" up "*) echo no such image >&2; exit 1;; esac`)
	w := newWorld(nil)

	_, err := w.do(t, "up", "-state", emptySet(t), "redis")

	if err == nil || !strings.Contains(err.Error(), "no such image") || !strings.Contains(calls(), " rm ") {
		t.Errorf("got %v and\n%swant what docker said, and the containers removed", err, calls())
	}
}

func TestWithoutAnEngineThereAreProcesses(t *testing.T) {
	// not parallel: the path belongs to the process
	fakeDocker(t, `exit 1`)
	needsProcesses(t)
	dir := emptySet(t)

	if _, err := newWorld(nil).do(t, "up", "-state", dir, "redis"); err != nil {
		t.Fatal(err)
	}

	if e := redisOf(t, dir); e.How != process {
		t.Errorf("got %+v, want a process", e)
	}
}
