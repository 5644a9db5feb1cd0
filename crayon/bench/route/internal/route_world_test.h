// For tests of this folder: three tasks, two of one family, on the world of the benchmark's tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crayon/bench/internal/bench_world_test.h"
#include "crayon/bench/route/run.h"
#include "crayon/testing/recording_server.h"

namespace crayon {

class RouteWorld {
 public:
  RouteWorld();

  /// near and far are of one family, third of another; K = 4.
  [[nodiscard]] RoutePlan plan(std::vector<std::uint64_t> seeds = {1}) const;
  /// Runs it with what was worked out before in folder `work`, against the server "big", which says
  /// B to everything. @param asked  false: it has no URL
  [[nodiscard]] RouteRun run(const RoutePlan& plan, const std::string& work, bool asked = true,
                             RouteRunOptions options = {}, const OnCell& on_cell = {});

  [[nodiscard]] BenchWorld& world() { return world_; }
  [[nodiscard]] RecordingServer& server() { return server_; }

 private:
  BenchWorld world_;
  RecordingServer server_;
  std::unique_ptr<Remote> remote_;
};

}  // namespace crayon
