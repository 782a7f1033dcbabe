#include "base/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace tenon {
namespace {

#if defined(__linux__)
bool read_file(const std::string& path, std::string* text) {
  FILE* file = fopen(path.c_str(), "re");
  if (!file) return false;
  char buffer[4096];
  text->clear();
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) text->append(buffer, n);
  fclose(file);
  return true;
}

// "max" and anything else that is no number count as no limit.
bool read_number(const std::string& path, uint64_t* value) {
  std::string text;
  if (!read_file(path, &text) || text.empty() || text[0] < '0' || text[0] > '9') return false;
  *value = strtoull(text.c_str(), nullptr, 10);
  return true;
}

// The number after `key` at the start of a line, as in "MemAvailable:  123 kB".
bool find_number(const std::string& text, const char* key, uint64_t* value) {
  const size_t length = strlen(key);
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, length, key) == 0) {
      *value = strtoull(text.c_str() + at + length, nullptr, 10);
      return true;
    }
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return false;
}

// This process's path below a controller's mount ("" for version 2).
std::string cgroup_path(const char* controller) {
  std::string text;
  if (!read_file("/proc/self/cgroup", &text)) return "";
  const std::string tag = std::string(":") + controller + ":";
  const size_t at = text.find(tag);
  if (at == std::string::npos) return "";
  const size_t start = at + tag.size();
  std::string path = text.substr(start, text.find('\n', start) - start);
  return path == "/" ? "" : path;
}

// Calls f(folder) for the process's group and all its parents up to the mount. Inside a container the path may not
// exist below the mount: the mount itself is asked in any case.
template <typename F>
void each_group(const std::string& mount, std::string path, F f) {
  while (!path.empty()) {
    f(mount + path);
    const size_t slash = path.rfind('/');
    path = slash == std::string::npos ? "" : path.substr(0, slash);
  }
  f(mount);
}

uint64_t group_memory(const std::string& folder, const char* limit_file, const char* usage_file,
                      const char* cache_key) {
  uint64_t limit, usage, cache = 0;
  if (!read_number(folder + limit_file, &limit) || !read_number(folder + usage_file, &usage)) return UINT64_MAX;
  std::string stat;
  if (read_file(folder + "/memory.stat", &stat)) find_number(stat, cache_key, &cache);
  usage -= std::min(usage, cache);  // clean file pages give way
  return limit > usage ? limit - usage : 0;
}

int quota_cores() {
  double least = 1e9;
  each_group("/sys/fs/cgroup", cgroup_path(""), [&](const std::string& folder) {
    std::string text;
    double quota, period;
    if (read_file(folder + "/cpu.max", &text) && sscanf(text.c_str(), "%lf %lf", &quota, &period) == 2 && period > 0)
      least = std::min(least, quota / period);
  });
  for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"})
    each_group(mount, cgroup_path("cpu"), [&](const std::string& folder) {
      uint64_t quota, period;
      if (read_number(folder + "/cpu.cfs_quota_us", &quota) && read_number(folder + "/cpu.cfs_period_us", &period) &&
          period > 0)
        least = std::min(least, static_cast<double>(quota) / static_cast<double>(period));
    });
  return least >= 1e9 ? 0 : std::max(1, static_cast<int>(least + 0.999));
}

int affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  return CPU_COUNT(&set);
}

int count_cores() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  if (const int n = affinity_cores(); n > 0) cores = n;
  if (const int n = quota_cores(); n > 0) cores = std::min(cores, n);
  return std::max(1, cores);
}
#else
int count_cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }
#endif

#if defined(__linux__)
// 0 where the kernel does not say.
uint64_t find_second_cache() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  if (const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE); bytes > 0) return static_cast<uint64_t>(bytes);
#endif
  for (int i = 0; i < 8; i++) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i);
    uint64_t level = 0, kib = 0;
    if (read_number(folder + "/level", &level) && level == 2 && read_number(folder + "/size", &kib)) return kib * 1024;
  }
  return 0;
}
#elif defined(__APPLE__)
uint64_t find_second_cache() {
  uint64_t bytes = 0;
  size_t size = sizeof bytes;
  return sysctlbyname("hw.l2cachesize", &bytes, &size, nullptr, 0) == 0 ? bytes : 0;
}
#else
uint64_t find_second_cache() { return 0; }
#endif

}  // namespace

int allowed_cores() {
  static const int cores = count_cores();
  return cores;
}

uint64_t second_cache() {
  static const uint64_t bytes = [] {
    const char* told = getenv("TENON_L2");
    const uint64_t found = told ? strtoull(told, nullptr, 10) : find_second_cache();
    return std::clamp<uint64_t>(found == 0 ? uint64_t{1} << 20 : found, uint64_t{256} << 10, uint64_t{4} << 20);
  }();
  return bytes;
}

uint64_t available_memory() {
#if defined(__linux__)
  uint64_t least = UINT64_MAX, kib = 0;
  std::string text;
  if (read_file("/proc/meminfo", &text) && find_number(text, "MemAvailable:", &kib)) least = kib * 1024;
  each_group("/sys/fs/cgroup", cgroup_path(""), [&](const std::string& folder) {
    least = std::min(least, group_memory(folder, "/memory.max", "/memory.current", "inactive_file "));
  });
  each_group("/sys/fs/cgroup/memory", cgroup_path("memory"), [&](const std::string& folder) {
    least = std::min(least,
                     group_memory(folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file "));
  });
  return least;
#elif defined(__APPLE__)
  uint64_t bytes = 0;
  size_t size = sizeof bytes;
  return sysctlbyname("hw.memsize", &bytes, &size, nullptr, 0) == 0 ? bytes : UINT64_MAX;
#else
  return UINT64_MAX;
#endif
}

}  // namespace tenon
