// What must stay on the device reaches no server, whatever settings and environment name.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "crayon/cli/internal/program_fixture_test.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;

/// A socket that would notice any connection.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, any, size) != 0 || ::listen(socket_, 8) != 0) std::abort();
    ::getsockname(socket_, any, &size);
    port_ = ntohs(address.sin_port);
    ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  }
  ~Listener() { ::close(socket_); }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] bool was_called() const {
    const int got = ::accept(socket_, nullptr, nullptr);
    if (got >= 0) ::close(got);
    return got >= 0;
  }

 private:
  int socket_;
  int port_ = 0;
};

TEST_F(Program, CustomizeSendsNothingWhereverAServerOrProxyIsNamed) {
  const Listener listener;
  const std::string url = listener.url();
  world_->write("crayon.toml", "server-url = '" + url + "'\n");
  const ProgramRun done =
      run(kCustomize + " -o private.gguf", {},
          "CRAYON_SERVER_URL=" + url + " http_proxy=" + url + " https_proxy=" + url);
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_FALSE(listener.was_called());
  (void)run(
      "ask --model model.gguf --task base --side server --choice a --choice b q "
      "--server-timeout 1 --server-model m");
  EXPECT_TRUE(listener.was_called());  // the listener does notice: the check above can fail
  std::filesystem::remove(world_->path("crayon.toml"));
}

TEST_F(Program, ALocalOnlyTaskOrCallReachesNoServer) {
  const Listener listener;
  const std::string server =
      " --model model.gguf --server-model m --server-timeout 1 --server-url " + listener.url();
  EXPECT_EQ(json(kCustomize + " --name local --local-only")["local_only"], true);
  EXPECT_THAT(run("task show local").out, HasSubstr("local only"));
  const std::string ask = "ask --side server --choice a --choice b q" + server;
  EXPECT_EQ(json(ask + " --task local")["reason"], "local only");
  EXPECT_EQ(json(ask + " --task base --local-only")["reason"], "local only");
  const ProgramRun eval = run("eval -q --task local --data examples.jsonl" + server);
  EXPECT_EQ(eval.status, 2);
  EXPECT_THAT(eval.notes, HasSubstr("'local' is local only"));
  EXPECT_FALSE(listener.was_called());
}

}  // namespace
}  // namespace crayon
