// The table of docs/design/router.md: how optimistic a task's own examples are. Half a minute.
#include <cstdio>

#include "crayon/session/internal/simulated_tasks.h"

int main() {
  using namespace crayon;
  constexpr const char* kNames[] = {"in-sample", "leave-one-out", "nested"};
  for (const World& world : simulated_worlds()) {
    for (const std::size_t k : {16u, 32u}) {
      const auto got = simulate(world, k, 40);
      for (std::size_t way = 0; way < got.size(); ++way) {
        std::printf("%-18s K %2zu %-14s gap %+.3f over %+.3f ECE %.3f\n", world.name, k,
                    kNames[way], got[way].gap, got[way].over, got[way].error);
      }
    }
  }
}
