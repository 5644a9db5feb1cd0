// Several servers by flags and by tables of crayon.toml, and whom a key reaches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "crayon/cli/internal/program_world_test.h"
#include "crayon/testing/faulty_server.h"

namespace crayon {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kDead = "http://127.0.0.1:9";

class Servers : public testing::Test {
 protected:
  /// Asks a question whose answer is b where the server gives it.
  ProgramRun ask(const std::string& more = {}, const std::string& settings = {}) {
    return world_.run(
        "ask --model model.gguf --task base --side server --json --choice a --choice b q" +
            (more.empty() ? "" : " " + more),
        {}, settings);
  }
  std::string last_request() {
    const std::lock_guard lock(mutex_);
    return request_;
  }

  ProgramWorld world_;
  std::mutex mutex_;
  std::string request_;
  Fault record_{"records", nullptr, [this](FaultyPeer& peer) {
                  if (!peer.read_request()) return;
                  {
                    const std::lock_guard lock(mutex_);
                    request_ = peer.request;
                  }
                  answer_well(peer);
                }};
  TestAuthority authority_;
  FaultyServer server_{authority_, [this](int) { return &record_; }};
};

TEST_F(Servers, FlagsNameSeveralInOrder) {
  const ProgramRun done = ask(std::string("--server-url ") + kDead + " --server-url " +
                              server_.url() + " --server-model m --server-model big");
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_THAT(done.out, HasSubstr(R"("side":"server")"));
  EXPECT_THAT(last_request(), HasSubstr(R"("model":"big")"));
}

TEST_F(Servers, TablesNameSeveralInOrderAndEachKeyReachesItsOwn) {
  world_.write("first.key", "sk-first\n");
  world_.write("second.key", "sk-second\n");
  world_.write("crayon.toml", std::string("[[server]]\nurl = '") + kDead +
                                  "'\nmodel = 'm'\nkey-file = 'first.key'\n[[server]]\nurl = '" +
                                  server_.url() +
                                  "'\nmodel = 'big'\nprice = 0.5\nkey-file = 'second.key'\n");
  const ProgramRun done = ask();
  EXPECT_THAT(done.out, HasSubstr(R"("side":"server")")) << done.notes;
  EXPECT_THAT(last_request(), HasSubstr("Bearer sk-second"));
}

TEST_F(Servers, AUrlOfAFlagOrTheEnvironmentGetsNoKeyOfTheTables) {
  world_.write("first.key", "sk-first\n");
  world_.write("crayon.toml", std::string("[[server]]\nurl = '") + kDead +
                                  "'\nmodel = 'm'\nkey-file = 'first.key'\n");
  EXPECT_THAT(ask("--server-model big --server-url " + server_.url()).out,
              HasSubstr(R"("side":"server")"));
  EXPECT_THAT(last_request(), Not(HasSubstr("sk-first")));
  request_.clear();
  EXPECT_THAT(ask("--server-model big", "CRAYON_SERVER_URL=" + server_.url()).out,
              HasSubstr(R"("side":"server")"));
  EXPECT_THAT(last_request(), Not(HasSubstr("sk-first")));
}

TEST_F(Servers, TheEnvironmentsKeyBelongsToTheFirstAlone) {
  const ProgramRun done = ask(std::string("--server-url ") + kDead + " --server-url " +
                                  server_.url() + " --server-model m --server-model m",
                              "CRAYON_SERVER_KEY=sk-environment");
  EXPECT_THAT(done.out, HasSubstr(R"("side":"server")")) << done.notes;
  EXPECT_THAT(last_request(), Not(HasSubstr("sk-environment")));
}

TEST_F(Servers, AStreamThatBreaksOffOnATerminalIsAnErrorAndElsewhereTheDeviceAnswers) {
  const Fault breaks{
      .name = "breaks off", .reason = "", .serve = [](FaultyPeer& peer) {
        if (!peer.read_request()) return;
        peer.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            "Connection: close\r\n\r\n"
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Half\"}}]}\n\n");
      }};
  FaultyServer server(authority_, [&](int) { return &breaks; });
  const std::string ask =
      "ask --model model.gguf --task base --side server --max-tokens 4 --server-model m "
      "--server-price 1 --server-url " +
      server.url();
  const ProgramRun shown = world_.run_on_terminal(ask + " q");
  EXPECT_EQ(shown.status, 7) << shown.notes;
  EXPECT_EQ(shown.out, "Half\r\n") << "and nothing of the device's";
  EXPECT_THAT(shown.notes, testing::StartsWith("crayon: "));
  EXPECT_THAT(shown.notes, HasSubstr("broke off after 4 bytes"));
  EXPECT_EQ(std::ranges::count(shown.notes, '\n'), 1) << shown.notes;
  EXPECT_THAT(world_.run("stats").out, HasSubstr("1 server broke off"));
  EXPECT_GT(nlohmann::json::parse(world_.run("stats --json").out)["money"]["spent"], 0);
  for (const char* elsewhere : {" q", " --json q"}) {
    const ProgramRun done = world_.run(ask + elsewhere);
    EXPECT_EQ(done.status, 0) << done.notes;
    EXPECT_THAT(done.out, Not(HasSubstr("Half")));
    EXPECT_FALSE(done.out.empty());
  }
}

TEST_F(Servers, SaysWhatIsWrongWithTheirLists) {
  const std::string two = "--server-url http://a --server-url http://b ";
  for (const auto& [flags, part] : std::vector<std::pair<std::string, std::string>>{
           {two + "--server-model m", "--server-model is given 1 times, and --server-url 2"},
           {two + "--server-key-file k", "--server-key-file is given 1 times"},
           {two + "--server-price 1 --server-price x", "--server-price 'x'"},
           {"--server-url http://a --server-price 1:-2", "--server-price '1:-2'"}}) {
    const ProgramRun bad = ask(flags);
    EXPECT_EQ(bad.status, 2) << flags;
    EXPECT_THAT(bad.notes, HasSubstr(part));
  }
  for (const auto& [toml, part] : std::vector<std::pair<std::string, std::string>>{
           {"[[server]]\nmodel = 'm'\n", "crayon.toml:1: a [[server]] without a url"},
           {"[[server]]\nurl = 'http://a'\nmodell = 'm'\n", "unknown key 'modell'; did you mean"},
           {"[server]\nurl = 'http://a'\n", "expected tables [[server]]"},
           {"server-url = 'http://b'\n[[server]]\nurl = 'http://a'\n", "beside [[server]]"}}) {
    world_.write("crayon.toml", toml);
    const ProgramRun bad = ask();
    EXPECT_EQ(bad.status, 2) << toml;
    EXPECT_THAT(bad.notes, HasSubstr(part));
  }
}

}  // namespace
}  // namespace crayon
