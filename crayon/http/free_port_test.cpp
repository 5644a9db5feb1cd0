#include "crayon/http/free_port.h"

#include <gtest/gtest.h>

#include <set>

#include "crayon/http/server.h"

namespace crayon {
namespace {

TEST(FreePort, CanBeListenedOnAndIsNoneThatSystemsGiveOut) {
  std::set<int> ports;
  for (int i = 0; i < 20; ++i) {
    const int port = free_port();
    EXPECT_GE(port, 1024);
    EXPECT_LT(port, 32768);
    ports.insert(port);
  }
  EXPECT_GT(ports.size(), 1u) << "two jobs that begin at once do not ask for the same one";
  EXPECT_NO_THROW(HttpServer({.port = free_port()}).start());
}

}  // namespace
}  // namespace crayon
