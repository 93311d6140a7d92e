// C++: exceptions through frames with destructors, rethrown, through a C callback; containers, virtual calls.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

static volatile int sink;

struct guard {
    int value;
    explicit guard(int value) : value(value) {}
    ~guard() { sink = sink + value; }
};

__attribute__((noinline)) static int thrower(int n) {
    guard one(n);
    if (n == 0)
        throw std::runtime_error("deep");
    return thrower(n - 1) + one.value;
}

__attribute__((noinline)) static int rethrow(int n) {
    try {
        return thrower(n);
    } catch (const std::exception &) {
        sink = sink + 1;
        throw;
    }
}

struct base {
    virtual ~base() = default;
    virtual int value(int n) const = 0;
};
struct derived : base {
    int value(int n) const override { return n > 2 ? throw n : n; }
};

extern "C" int compare(const void *left, const void *right) {
    int a = *static_cast<const int *>(left), b = *static_cast<const int *>(right);
    if (a == 13)
        throw a;
    return a - b;
}

int main() {
    int sum = 0;
    __asm__ volatile("int3");
    for (int depth = 0; depth < 3; depth++) {
        try {
            sum += rethrow(depth);
        } catch (const std::runtime_error &error) {
            sum += error.what()[0];
        }
    }
    try {
        int numbers[] = {5, 3, 13, 1};
        qsort(numbers, 4, sizeof *numbers, compare);
    } catch (int number) {
        sum += number;
    }
    derived d;
    base *b = &d;
    try {
        sum += b->value(3);
    } catch (...) {
        sum++;
    }
    std::map<std::string, std::vector<int>> words;
    for (int i = 0; i < 4; i++)
        words["word" + std::to_string(i)].push_back(i);
    sum += static_cast<int>(words.size());
    return sum == 12345;
}
