// A run's results by task, seed and server.
#pragma once

#include <map>
#include <tuple>

#include "crayon/bench/route/run.h"

namespace crayon {

class RouteData {
 public:
  /// Borrows both.
  RouteData(const RouteRun& run, const RoutePlan& plan);

  /// Null where it is not done.
  [[nodiscard]] const DeviceResult* device(std::size_t task, std::size_t seed) const;
  [[nodiscard]] const ServerResult* questions(const std::string& server, std::size_t task) const;
  [[nodiscard]] const ServerResult* examples(const std::string& server, std::size_t task,
                                             std::size_t seed) const;

  /// Tasks that the device has done for all draws.
  [[nodiscard]] std::vector<std::size_t> device_tasks() const;
  /// Tasks that both sides have done.
  [[nodiscard]] std::vector<std::size_t> tasks(const std::string& server) const;

  [[nodiscard]] std::size_t n_seeds() const { return n_seeds_; }

 private:
  std::size_t n_tasks_;
  std::size_t n_seeds_;
  std::map<std::pair<std::size_t, std::size_t>, const DeviceResult*> device_;
  std::map<std::pair<std::string, std::size_t>, const ServerResult*> questions_;
  std::map<std::tuple<std::string, std::size_t, std::size_t>, const ServerResult*> examples_;
};

/// Calibrated confidence before and after, risk and scope: what needs no server.
struct RouteSummary;
void summarise_device(const RouteRun& run, const RoutePlan& plan, const RouteData& data,
                      RouteSummary& to);

}  // namespace crayon
