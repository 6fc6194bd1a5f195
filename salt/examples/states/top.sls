base:
  '*':
    - conntrack
