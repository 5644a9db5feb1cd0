// The flags that say who answers: a share, a target of risk, a price, or a side.
#pragma once

#include <optional>
#include <string>

#include "crayon/cli/common.h"
#include "crayon/router/router.h"
#include "crayon/session/device.h"
#include "crayon/session/tasks.h"

namespace CLI {
class App;
}

namespace crayon {

struct RouteArgs {
  std::string side;
  std::optional<double> max_risk;    ///< Share of all requests that the device may get wrong.
  std::optional<double> max_regret;  ///< The same where the server would be right.
  std::optional<double> price;       ///< Of a call of the server, in the unit of `value`.
  std::optional<double> value;       ///< Of a right answer.
  std::optional<double> server_right;
  std::size_t hold_back = kHoldBackTokens;  ///< See add_hold_back_option().
};

/// --hold-back: tokens of a free answer that its confidence comes from; 0 on the command line means
/// all of them.
void add_hold_back_option(CLI::App& cmd, std::size_t& hold_back);

/// --hold-back, --side, --max-risk, --max-regret, --price with --value, and --server-right; they
/// exclude each other and --server-share, which add_server_options() has added before.
void add_route_options(CLI::App& cmd, RouteArgs& args);

/// What the flags ask of a router for this task. With no flag and a server: its default share.
/// @throws Error InvalidArgument  a flag that needs a server, and none is given; a target that the
///                                task's labels cannot promise: names the least possible one
[[nodiscard]] RouterOptions route_options(const RouteArgs& args, const ServerArgs& servers,
                                          const OpenTask& task);

}  // namespace crayon
